"""The policies of ``infra/stedi.yaml`` as they were deployed, and what they must and must not allow.

What is recorded while the lakehouse runs is asserted in ``tests/end_to_end``; here is what no run on this machine can
show: what Athena does by itself, what only large files, failures and changes need, and what must stay forbidden.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ministack.core import iam_evaluator

from local_aws.calls import Call
from local_aws.settings import ACCOUNT, GLUE_KEY, REGION, LocalAws
from stedi.settings import PROJECT
from stedi.tables import JOBS, LANDING_TABLES, TABLES

TEMPLATE = PROJECT / "infra" / "stedi.yaml"
BUCKET, DATABASE, ROLE, OTHER_BUCKET, KEY = "stedi-lakehouse", "stedi", "stedi-glue", "deliveries", "1234abcd"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY}"
PARAMETERS = {"BucketName": BUCKET, "DatabaseName": DATABASE, "GlueRoleName": ROLE}
#: Everything that is optional.
ALL = PARAMETERS | {"LandingBucket": OTHER_BUCKET, "KmsKeyArn": KEY_ARN}

#: {access key: the policy of its principal}
POLICIES = {"airflow": "DagPolicy", GLUE_KEY: "GluePolicy", "reader": "ReaderPolicy"}
GLUE_JOBS = (*JOBS, "publish", "stedi_maintenance")
#: What readers may query.
PUBLISHED = (*JOBS, "releases")
HIDDEN = tuple(table for table in TABLES if table not in PUBLISHED)

#: Where Spark looks for an object with the name of a folder.
FOLDERS = (*LANDING_TABLES, "landing_repaired", "handover", "releases")

Statement = Mapping[str, Any]


def deployed(aws: LocalAws, stack: str = "stedi") -> dict[str, list[Statement]]:
    """{access key: the statements of its policy}"""
    iam, cloudformation = aws.client("iam"), aws.client("cloudformation")
    found = {}
    for principal, policy in POLICIES.items():
        resource = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=policy)
        arn = resource["StackResourceDetail"]["PhysicalResourceId"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        found[principal] = document["Statement"]
    return found


def allows(statements: Iterable[Statement], call: Call) -> bool:
    """Whether these statements allow a call."""
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:role/{call.principal}",
        principal_type="AssumedRole",
        # The evaluator takes a bucket for one of the principal's own account.
        principal_account=call.context.get("aws:ResourceAccount", ACCOUNT),
        action=call.action,
        resource_arn=call.resource,
        region=REGION,
        service_context={key.lower(): value for key, value in call.context.items()},
    )
    document = iam_evaluator.parse_policy_document({"Version": "2012-10-17", "Statement": list(statements)})
    return bool(iam_evaluator.evaluate(context, [document]).decision == "Allow")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def unused(statements: Iterable[Statement], made: Iterable[Call]) -> list[str]:
    """The parts of the statements, each an action on a resource, without which all these calls were allowed, too."""
    parts: dict[str, list[tuple[str, Statement]]] = {}
    for statement in statements:
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                name = f"{statement['Sid']}: {action} on {resource}"
                parts.setdefault(action, []).append((name, {**statement, "Action": action, "Resource": resource}))
    needed = set()
    for call in made:
        allowing = [name for name, part in parts.get(call.action, []) if allows([part], call)]
        needed |= set(allowing) if len(allowing) == 1 else set()
    return [name for of_action in parts.values() for name, _ in of_action if name not in needed]


# --- in the words of IAM ---


def s3(path: str = "", bucket: str = BUCKET) -> str:
    return f"arn:aws:s3:::{bucket}/{path}" if path else f"arn:aws:s3:::{bucket}"


def glue(resource: str) -> str:
    return f"arn:aws:glue:{REGION}:{ACCOUNT}:{resource}"


def table(name: str, database: str = DATABASE) -> list[str]:
    """A table, and what it lies in."""
    return [glue("catalog"), glue(f"database/{database}"), glue(f"table/{database}/{name}")]


def workgroup(name: str) -> str:
    return f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{name}"


def logs(group: str, part: str = "*") -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:{part}"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def listing(prefix: str) -> dict[str, str]:
    return {"s3:prefix": prefix}


def calls(
    principal: str, actions: str, resources: str | list[str], context: dict[str, str] | None = None
) -> list[Call]:
    """Calls of each action, separated by spaces, on each resource."""
    return [Call(principal, action, one, context or {}) for action in actions.split() for one in listed(resources)]


# --- what must be allowed, though no run here shows it ---

_ATHENA = "https://docs.aws.amazon.com/athena/latest"
#: {why: calls}. The sources of what Athena does in its caller's name are AWS's documents.
NEEDED: dict[str, list[Call]] = {
    f"the default database, mandatory for Athena: {_ATHENA}/ug/fine-grained-access-to-glue-resources.html": [
        *calls("airflow", "glue:GetDatabase glue:CreateDatabase", [glue("catalog"), glue("database/default")]),
        *calls("reader", "glue:GetDatabase glue:CreateDatabase", [glue("catalog"), glue("database/default")]),
    ],
    f"a permission on a table needs the same on its database and the catalog: {_ATHENA}/ug/"
    "fine-grained-access-to-glue-resources.html": [
        call for name in PUBLISHED for call in calls("reader", "glue:GetDatabase", table(name)[:2])
    ],
    "Athena looks where the bucket of results is: https://repost.aws/knowledge-center/athena-output-bucket-error": [
        *calls("airflow", "s3:GetBucketLocation", s3()),
        *calls("reader", "s3:GetBucketLocation", s3()),
    ],
    f"a caller who reads a result reads its object: {_ATHENA}/APIReference/API_GetQueryResults.html": [
        *calls("airflow", "s3:GetObject", s3("athena-results/1.csv")),
        *calls("reader", "s3:GetObject", s3("reader-results/1.csv")),
    ],
    f"a large result is written in parts: {_ATHENA}/ug/udf-iam-access.html": [
        *calls("airflow", "s3:AbortMultipartUpload s3:ListMultipartUploadParts", s3("athena-results/1.csv")),
        *calls("reader", "s3:AbortMultipartUpload s3:ListMultipartUploadParts", s3("reader-results/1.csv")),
    ],
    f"clients ask for the workgroup, and stop queries: {_ATHENA}/ug/udf-iam-access.html": calls(
        "reader", "athena:GetWorkGroup athena:StopQueryExecution", workgroup("stedi-readers")
    ),
    f"Athena lists what it reads: {_ATHENA}/ug/s3-permissions.html": [
        call for name in JOBS for call in calls("reader", "s3:ListBucket", s3(), listing(f"warehouse/{name}/data/"))
    ],
    "large files are uploaded in parts, and what is left of a failed upload is deleted": [
        *calls("airflow", "s3:AbortMultipartUpload", [s3(f"{name}/1.json") for name in LANDING_TABLES]),
        *calls(
            GLUE_KEY,
            "s3:AbortMultipartUpload",
            [s3(f"{folder}/1") for folder in ("warehouse/t/data", "landing_repaired", "handover", "releases")],
        ),
    ],
    "a task that is killed stops its query or job run": [
        *calls("airflow", "athena:StopQueryExecution", workgroup(DATABASE)),
        *calls("airflow", "glue:BatchStopJobRun", [glue(f"job/{DATABASE}_{job}") for job in GLUE_JOBS]),
    ],
    "a new version of the project changes the jobs, and adds columns to tables": [
        *calls("airflow", "glue:UpdateJob", [glue(f"job/{DATABASE}_{job}") for job in GLUE_JOBS]),
        *calls("airflow", "glue:UpdateTable", table("customer_trusted")),
    ],
    "a delivery from the bucket of the template's parameter": [
        *calls("airflow", "s3:ListBucket", s3(bucket=OTHER_BUCKET), listing("2024/customer/")),
        *calls("airflow", "s3:GetObject", s3("2024/customer/1.json", OTHER_BUCKET)),
    ],
    "an encrypted bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html": [
        call for principal in POLICIES for call in calls(principal, "kms:Decrypt kms:GenerateDataKey", KEY_ARN)
    ],
    # Hadoop's S3A deletes the markers of parent folders with each file that it writes.
    "a release is replaced": calls(GLUE_KEY, "s3:DeleteObject", s3("releases/")),
}

# --- what must stay forbidden ---

#: Everybody's: what belongs to others, and what would change what is allowed.
_NOBODY = [
    ("s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload", s3("warehouse/t/data/1", "another-bucket")),
    ("s3:GetObject s3:ListMultipartUploadParts", s3("releases/1.json", "another-bucket")),
    ("s3:ListBucket s3:GetBucketLocation", s3(bucket="another-bucket")),
    ("s3:DeleteBucket s3:PutBucketPolicy s3:PutLifecycleConfiguration s3:PutBucketVersioning", s3()),
    ("s3:ListBucketVersions s3:ListBucketMultipartUploads", s3()),
    ("s3:PutObjectAcl s3:PutObjectTagging", s3("warehouse/customer_trusted/metadata/1")),
    ("s3:DeleteObject s3:PutObjectAcl", [s3(f"{name}/1.json") for name in LANDING_TABLES]),
    ("s3:DeleteObject s3:PutObjectAcl", [s3("code/1/publish.py"), s3("reports/1/index.html")]),
    ("s3:PutObjectAcl", [s3(f"{folder}/1") for folder in ("athena-results", "reader-results", "releases", "handover")]),
    ("s3:PutObjectAcl", [s3(folder) for folder in FOLDERS]),
    ("s3:PutObjectAcl s3:DeleteObject", [s3("check_audit/1"), s3("2024/customer/1.json", OTHER_BUCKET)]),
    ("s3:PutBucketPolicy", s3(bucket=OTHER_BUCKET)),
    ("glue:DeleteTable glue:BatchDeleteTable", table("customer_trusted")),
    ("glue:DeleteDatabase glue:UpdateDatabase", [glue("catalog"), glue(f"database/{DATABASE}")]),
    ("glue:DeleteDatabase", glue("database/default")),
    ("glue:GetDatabase glue:CreateDatabase", glue("database/another")),
    ("glue:GetTable glue:GetTables glue:CreateTable glue:UpdateTable", table("customer_trusted", "another")[1:]),
    ("glue:DeleteJob", glue(f"job/{DATABASE}_publish")),
    ("glue:StartJobRun glue:UpdateJob glue:CreateJob glue:BatchStopJobRun", glue("job/another_publish")),
    ("glue:GetJob glue:GetJobRun glue:GetJobRuns", glue("job/another_publish")),
    ("glue:StartJobRun glue:UpdateJob", glue(f"job/{DATABASE}_dev_publish")),
    ("athena:StartQueryExecution athena:GetQueryExecution athena:GetQueryResults", workgroup("another")),
    ("athena:UpdateWorkGroup athena:DeleteWorkGroup", [workgroup(DATABASE), workgroup("stedi-readers")]),
    ("iam:AttachRolePolicy iam:PutRolePolicy iam:UpdateAssumeRolePolicy", role(ROLE)),
    ("logs:DeleteLogGroup logs:PutRetentionPolicy", logs("/aws-glue/jobs/output")),
    ("logs:GetLogEvents logs:PutLogEvents logs:CreateLogGroup", logs("/aws/lambda/another")),
    ("kms:ScheduleKeyDeletion kms:PutKeyPolicy", KEY_ARN),
    ("kms:Decrypt", KEY_ARN.replace(KEY, "another")),
]


def _passing(name: str, service: str) -> list[Call]:
    return calls("airflow", "iam:PassRole", role(name), {"iam:PassedToService": service})


FORBIDDEN: dict[str, list[Call]] = {
    "airflow": [
        *_passing("another-role", "glue.amazonaws.com"),
        *_passing(ROLE, "lambda.amazonaws.com"),
        # What the jobs write.
        *calls("airflow", "s3:PutObject s3:DeleteObject", s3("warehouse/customer_trusted/data/1.parquet")),
        *calls("airflow", "s3:PutObject s3:DeleteObject", [s3("landing_repaired/1.json"), s3("releases/1.json")]),
        *calls("airflow", "s3:PutObject", s3("handover/1/customer_trusted/part-1.parquet")),
        *calls("airflow", "s3:DeleteObject", s3("warehouse/customer_trusted/metadata/1.avro")),
        *calls("airflow", "s3:GetObject", s3("reader-results/1.csv")),
        *calls("airflow", "athena:StartQueryExecution", [workgroup("primary"), workgroup("stedi-readers")]),
        *calls("airflow", "logs:PutLogEvents", logs("/aws-glue/jobs/output", "log-stream:1")),
    ],
    GLUE_KEY: [
        # What Airflow delivers and uploads.
        *calls(GLUE_KEY, "s3:PutObject", [s3(f"{name}/1.json") for name in LANDING_TABLES]),
        *calls(GLUE_KEY, "s3:PutObject", [s3("code/1/publish.py"), s3("reports/1/index.html")]),
        *calls(GLUE_KEY, "s3:PutObject", [s3(name) for name in FOLDERS]),
        *calls(GLUE_KEY, "s3:GetObject", [s3("athena-results/1.csv"), s3("reader-results/1.csv")]),
        # The bucket has become somebody else's.
        *calls(GLUE_KEY, "s3:PutObject", s3("warehouse/customer_trusted/data/1"), {"aws:ResourceAccount": "1" * 12}),
        *calls(GLUE_KEY, "glue:CreateTable", table("customer_trusted")),
        *calls(GLUE_KEY, "athena:StartQueryExecution", workgroup(DATABASE)),
        *calls(GLUE_KEY, "glue:StartJobRun", glue(f"job/{DATABASE}_publish")),
        *calls(GLUE_KEY, "iam:PassRole", role(ROLE), {"iam:PassedToService": "glue.amazonaws.com"}),
        *calls(GLUE_KEY, "logs:GetLogEvents", logs("/aws-glue/jobs/output")),
    ],
    "reader": [
        # Not even one of the two that a query of a table needs.
        *[call for name in HIDDEN for call in calls("reader", "glue:GetTable", table(name)[2:])],
        *calls("reader", "s3:GetObject", [s3(f"{TABLES[name].folder}/data/1") for name in HIDDEN]),
        *calls("reader", "s3:GetObject", [s3("handover/1/part-1.parquet"), s3("athena-results/1.csv")]),
        *calls("reader", "s3:GetObject", [s3("code/1/publish.py"), s3("reports/1/index.html")]),
        *[call for prefix in ("", "warehouse/", "handover/", *(f"{TABLES[name].folder}/" for name in HIDDEN))
          for call in calls("reader", "s3:ListBucket", s3(), listing(prefix))],
        *calls("reader", "s3:ListBucketVersions", s3(), listing("releases/")),
        *calls("reader", "s3:PutObject s3:DeleteObject", [s3("releases/1.json"), s3("athena-results/1.csv")]),
        *calls("reader", "s3:PutObject s3:DeleteObject", [s3(f"warehouse/{name}/metadata/1") for name in JOBS]),
        *calls("reader", "athena:StartQueryExecution", [workgroup(DATABASE), workgroup("primary")]),
        *calls("reader", "athena:GetQueryResults", workgroup(DATABASE)),
        *calls("reader", "glue:UpdateTable glue:CreateTable", table("customer_trusted")),
        *calls("reader", "glue:StartJobRun", glue(f"job/{DATABASE}_publish")),
    ],
}  # fmt: skip
for _principal, _forbidden in FORBIDDEN.items():
    _forbidden += [call for actions, resources in _NOBODY for call in calls(_principal, actions, resources)]

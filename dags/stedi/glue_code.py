"""Uploads what the Glue jobs run: their scripts, and the package that they share, as one zip."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def upload_code(s3: Any, glue_scripts: Path, bucket: str) -> dict[str, str]:
    """Uploads ``glue_scripts`` under keys that carry the content's hash: a run keeps the code that it started with,
    and the same code is never sent twice. ``s3`` is a boto3 client.

    Returns {name of a script or of the package: its ``s3://`` location}.
    """
    files = {path.stem: (path.name, path.read_bytes()) for path in sorted(glue_scripts.glob("*.py"))}
    files |= {
        path.parent.name: (f"{path.parent.name}.zip", _zip(path.parent)) for path in glue_scripts.glob("*/__init__.py")
    }
    locations = {}
    for name, (filename, content) in files.items():
        key = f"code/{hashlib.sha256(content).hexdigest()[:16]}/{filename}"
        if s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount", 0) == 0:
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        locations[name] = f"s3://{bucket}/{key}"
    return locations


def code_hash(locations: Mapping[str, str]) -> str:
    """One hash for all that ``upload_code`` has uploaded."""
    return hashlib.sha256("\n".join(sorted(locations.values())).encode()).hexdigest()[:16]


def _zip(package: Path) -> bytes:
    """The same sources give the same bytes: fixed times, sorted names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".toml"):
                archive.writestr(zipfile.ZipInfo(path.relative_to(package.parent).as_posix()), path.read_bytes())
    return buffer.getvalue()

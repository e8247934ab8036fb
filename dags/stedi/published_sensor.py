"""PublishedSensor: says that a release is what readers see."""

from airflow.sdk import Context, PokeReturnValue

from stedi.quality_sensor import AthenaQualitySensor


class PublishedSensor(AthenaQualitySensor):
    """A check whose figures are ``<table>_snapshot`` and ``<table>_rows`` of the released tables. They become the
    ``extra`` of the asset events, one for each outlet that has a table's name: ``{"run_id", "snapshot", "rows"}``."""

    def poke(self, context: Context) -> PokeReturnValue:
        found = super().poke(context)
        if found.is_done and found.xcom_value:
            figures = found.xcom_value["figures"]
            for asset in self.outlets:
                context["outlet_events"][asset].extra = {
                    "run_id": context["run_id"],
                    "snapshot": str(figures[f"{asset.name}_snapshot"]),
                    "rows": figures[f"{asset.name}_rows"],
                }
        return found

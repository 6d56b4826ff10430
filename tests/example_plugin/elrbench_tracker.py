"""An experiment tracker in one file: it writes every figure of a run to `figures.csv` in the run folder."""

import csv

from elrbench import ElrError, TrackerSpec, hookimpl


@hookimpl
def elr_trackers():
    """`--track csv`."""
    return [TrackerSpec(name="csv", summary="figures as a CSV file in the run folder", factory="elrbench_tracker:Csv")]


class Csv:
    """The figures of one run."""

    def __init__(self, project):
        """Check what can be checked before anything trains, such as a login. Write nothing yet."""
        if project:
            raise ElrError(f"tracker 'csv' has no projects; pass --track csv without ':{project}'")

    def begin(self, run):
        """Open the file. After a kill, a run continues with the figures that are not in it."""
        self.file = (run.folder / "figures.csv").open("a" if run.resumed else "w", newline="", encoding="utf-8")
        self.lines = csv.writer(self.file)
        if not run.resumed:
            self.lines.writerows((0, f"plan {key}", value) for key, value in run.flat.items())

    def log(self, figures):
        """Write figures, so that a kill after this call does not lose them."""
        for step, values in figures:
            self.lines.writerows((step, name, value) for name, value in values.items())
        self.file.flush()

    def end(self, record):
        """Close the file. record is None if the run failed or was interrupted."""
        self.file.close()

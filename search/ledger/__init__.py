"""The files of a run: what was proposed, what finished and who writes; not what the results mean.

    run.json                        format version, name, objectives, models and tasks
    config.yaml                     the config, with all defaults
    proposed/000012.json            one proposal
    finished/000012.parquet         one finished trial: document scores as rows, the rest as
                                    metadata
    finished/000000-000255.parquet  the same for many trials, once there are many
    trials/000000-000255.parquet    the index of that file, one row per trial; `resume` restores it
    order.json                      task -> document ids in the order in which stages take them
    selection/000012.parquet        scores of a trial on the selection documents, as in finished/
    report/000012.parquet           the same on the report documents
    simplified/selection-….parquet  scores of a shorter recipe than a trial's, by its digest
    search/1000000.parquet          an average of trials, scored for a verdict on search documents
    budgets/000000.json             the budget, each time it was changed
    drivers/4e0c….json              the record of the driver, renewed while it lives

Every file is written completely or not at all, and a file of trials never changes: a large file
exists before the small ones that it replaces are deleted.
"""

from search.ledger.contents import Contents
from search.ledger.driver_record import DriverRecord
from search.ledger.lease import Lease, RunBusyError, claimed
from search.ledger.ledger import CONFIG, HEADER, Ledger
from search.ledger.parquet import trials_table
from search.ledger.store import Store
from search.ledger.trial import BASE, FIRST_AVERAGE, UNIFORM, Proposal, Trial

__all__ = [
    "BASE",
    "CONFIG",
    "FIRST_AVERAGE",
    "HEADER",
    "UNIFORM",
    "Contents",
    "DriverRecord",
    "Lease",
    "Ledger",
    "Proposal",
    "RunBusyError",
    "Store",
    "Trial",
    "claimed",
    "trials_table",
]

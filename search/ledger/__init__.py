"""The run folder: what was proposed and what finished. All there is to know about a run.

    run.json                        format version, name, objectives, what went in
    config.yaml                     the config as it was understood
    proposed/000012.json            one file per proposed trial
    finished/000012.parquet         one per finished trial: document scores as rows, the rest as
                                    metadata
    finished/000000-000255.parquet  the same of many trials, when there are many
    trials/000000-000255.parquet    an index of that file, one row a trial; `resume` makes it again
    budgets/000000.json             what may be spent, each time that was changed
    drivers/4e0c….json              left by the driver, renewed while it lives

Every file appears whole or not at all, and none is ever changed: a file of many trials is there
before the files it replaces go.
"""

from search.ledger.contents import Contents
from search.ledger.lease import Lease, RunBusyError
from search.ledger.ledger import CONFIG, Ledger
from search.ledger.trial import BASE, UNIFORM, Proposal, Trial

__all__ = [
    "BASE",
    "CONFIG",
    "UNIFORM",
    "Contents",
    "Lease",
    "Ledger",
    "Proposal",
    "RunBusyError",
    "Trial",
]

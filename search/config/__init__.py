"""Reads config files and reports every error in them at once; knows no runs, starts nothing."""

from search.config.doctor import Diagnosis, diagnose
from search.config.draft import BaseError, Draft, draft_config
from search.config.evolve_draft import translate_evolve
from search.config.file import ConfigFile, parse_config
from search.config.messages import describe
from search.config.plan import Plan, make_plan
from search.config.schema import Config, ConfigError
from search.config.tasks import suite_settings

__all__ = [
    "BaseError",
    "Config",
    "ConfigError",
    "ConfigFile",
    "Diagnosis",
    "Draft",
    "Plan",
    "describe",
    "diagnose",
    "draft_config",
    "make_plan",
    "parse_config",
    "suite_settings",
    "translate_evolve",
]

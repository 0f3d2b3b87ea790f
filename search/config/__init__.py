"""What a config file says, with every error in it at once; knows no run and starts nothing."""

from search.config.file import ConfigFile
from search.config.plan import Plan, plan, suite_settings
from search.config.schema import Config, ConfigError

__all__ = ["Config", "ConfigError", "ConfigFile", "Plan", "plan", "suite_settings"]

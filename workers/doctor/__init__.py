"""Can these models be merged? From headers, configs and tokenizer files alone."""

from workers.doctor.examine import examine
from workers.doctor.finding import Finding

__all__ = ["Finding", "examine"]

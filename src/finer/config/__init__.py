"""The typed configuration: what a user may set, with its unit, its default and what it means.

The JSON schema and the table in the docs are generated from these classes.
"""

from finer.config.models import Model
from finer.config.sections import Evaluation, Negatives, Range
from finer.config.tuning import Mixture, Preferences, Training
from finer.config.whole import Config, parse

__all__ = ["Config", "Evaluation", "Mixture", "Model", "Negatives", "Preferences", "Range", "Training", "parse"]

"""The tokens of models, and one vocabulary for all of them; knows no merge method."""

from workers.checkpoint.vocabulary.chat_template import chosen_template
from workers.checkpoint.vocabulary.generation import chosen_generation, generation_settings
from workers.checkpoint.vocabulary.merged_vocabulary import merge_vocabularies
from workers.checkpoint.vocabulary.retokenization import retokenize
from workers.checkpoint.vocabulary.tokens import SPECIAL_IDS, Vocabulary, template_of, vocabulary

__all__ = [
    "SPECIAL_IDS",
    "Vocabulary",
    "chosen_generation",
    "chosen_template",
    "generation_settings",
    "merge_vocabularies",
    "retokenize",
    "template_of",
    "vocabulary",
]

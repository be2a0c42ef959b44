"""OpenAI's API for models that generate: chat completions, completions, and the list of models.

https://platform.openai.com/docs/api-reference/chat and .../completions have requests and answers.
A field that is left out has the model's own default, which its owner can set, not OpenAI's: the
temperature is 0 and not 1, and a completion is as long as max_new_tokens and not 16. A field that
cannot be applied is refused unless its value changes nothing. `usage` is in an answer once all of
its numbers are known; that is not so for several prompts, or for a model at another URL.
"""

from serving.formats.openai.operations import openai

__all__ = ["openai"]

"""The stages of a recipe, one file a word: its configuration, and the call."""

"""Finds the model files of the package silero-vad without importing it, which would need torch."""
import importlib.metadata


def path(name):
    for file in importlib.metadata.files("silero-vad"):
        if file.name == name:
            return str(file.locate())
    raise FileNotFoundError(name)

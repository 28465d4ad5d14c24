"""Owns the names of `altiplano.crewai`: a storage backend for CrewAI's `Memory`."""

try:
    import crewai.memory  # noqa: F401
except ImportError as error:
    raise ImportError("altiplano.crewai needs CrewAI: pip install 'crewai>=1.15,<2'") from error

from altiplano.crewai._factory import storage_factory
from altiplano.crewai._storage import AltiplanoStorage

__all__ = ["AltiplanoStorage", "storage_factory"]

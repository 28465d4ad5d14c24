"""Makes the API known in every process of a test, also in those that a test starts."""

import altiplano.chroma  # noqa: F401

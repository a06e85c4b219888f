"""The micro world in the official file formats of the evaluation suites: one module a suite."""

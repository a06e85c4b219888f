"""The micro world: small drawn scenes whose truth is known, written in the official files' formats."""

"""Whether a plugin keeps what its specs promise: every component built, trained and saved."""

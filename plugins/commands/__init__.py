"""Commands that are not part of plan -> train -> score -> record -> table: one plugin each."""

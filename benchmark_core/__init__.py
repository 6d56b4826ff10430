"""The core of elrbench: plan, train, score, record, table. Private; the public API is the package `elrbench`."""

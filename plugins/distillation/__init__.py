"""Knowledge distillation from a teacher on high views to a student on low views: what its methods share.

A plain package, not a plugin: it has no entry point and offers no component.
"""

"""Image and video networks of the library transformers, from a folder or from the Hugging Face hub."""

from elrbench import BackboneSpec, hookimpl


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the template `hf:NAME[@REVISION]` or `hf:FOLDER`."""
    return [
        BackboneSpec(
            name="hf",
            summary="hf:NAME[@REVISION] of the Hugging Face hub or hf:FOLDER, a network of transformers",
            citation="Wolf et al., Transformers: State-of-the-Art Natural Language Processing, EMNLP 2020 (library)",
            licence="as stated by the model",
            factory="elrbench_plugins.hf.network:build",
            at="elrbench_plugins.hf.model:at",
            requires=("transformers",),
            extra="hf",
        )
    ]

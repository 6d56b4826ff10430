"""Low views of transformed high views. It offers no component: `isr`, `multi-siamese` and `elr-distil` use it."""

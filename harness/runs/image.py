"""The image that the builds of a run work in, and what is served to them there."""

from harness.ecosystems.serving import Serving
from harness.runs.background import in_background
from harness.runs.serving import Suppliers
from harness.runs.settings import Settings
from harness.sandboxes.registry import Backend, BaseImage
from harness.stack.bootstrap import OnLine
from harness.stack.image import build_image


def make_ready(
    settings: Settings, kind: Backend, suppliers: Suppliers, note: OnLine
) -> tuple[BaseImage, dict[str, Serving]]:
    """Makes the image that was asked for ready, and the runtimes for it.

    Args:
        settings: What the run is asked to use.
        kind: The kind of its sandbox.
        suppliers: The ecosystems.
        note: Called with each line of progress.

    Returns:
        The image, and what each ecosystem serves, by its name.

    Raises:
        HarnessError: The image or a runtime is unavailable.
    """
    if settings.image is not None:
        # Only stored runtimes are taken, so that it is quick to see whether one was mistyped.
        servings = suppliers.servings(None)
        return kind.named_image(settings.image), servings
    suppliers.begin()  # on its way while the image is made
    image = build_image(settings.store, on_line=note)
    base = in_background(lambda: kind.stack_image(image))  # an engine is slow to take it
    servings = suppliers.servings(image)
    return base.result(), servings

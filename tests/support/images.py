"""What holds for both sets of 70,000 images of 28 × 28 pixels."""

from skiprnn.tasks import Data


def assert_complete(data: Data, *, batches: int) -> None:
    """Every sequence is there, in [0, 1], and every class; `batches`: of 55,000 training sequences."""
    assert data.batches == batches
    assert [len(part) for part in (data.validation, data.test)] == [10, 20]
    batch = data.test[0]
    assert batch.x.shape == (500, 784, 1)
    assert batch.x.min() == 0
    assert batch.x.max() == 1
    assert set(batch.y.tolist()) == set(range(10))

"""Peak memory of one epoch, and of the data alone to compare it with."""

from __future__ import annotations

from .common import BACKENDS, network, one_hot, rows, sizes


class Epoch:
    params = BACKENDS
    param_names = ("backend",)

    def setup(self, backend):
        count = 16 * sizes.samples
        self.X, self.Y = rows(count, sizes.features), one_hot(count)
        self.model = network(backend)
        self.model.train_on_batch(self.X[: sizes.batch], self.Y[: sizes.batch])

    def peakmem_data(self, backend):
        pass

    def peakmem_fit(self, backend):
        self.model.fit(self.X, self.Y, epochs=1, batch_size=sizes.batch, verbose=0)

    def peakmem_predict(self, backend):
        self.model.predict(self.X)

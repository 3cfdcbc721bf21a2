"""LeNet-5 by a ``Sequential`` of fastnn: 10 epochs of 8 minibatches of 128, Adam."""

import numpy as np

from fastnn import Dense, Sequential
from fastnn.layers import Conv2D, Flatten, MaxPooling2D

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 1024)
X = (rng.random((10, 28, 28, 1))[labels] + rng.normal(0, 0.1, (1024, 28, 28, 1))).astype(np.float32)

model = Sequential(
    [
        Conv2D(6, 5, padding="same", activation="relu"),
        MaxPooling2D(2),
        Conv2D(16, 5, activation="relu"),
        MaxPooling2D(2),
        Flatten(),
        Dense(120, activation="relu"),
        Dense(84, activation="relu"),
        Dense(10, activation="softmax"),
    ],
    seed=0,
)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(X, labels, epochs=10, batch_size=128, verbose=0)
print(np.mean(np.argmax(model.predict(X), axis=1) == labels))

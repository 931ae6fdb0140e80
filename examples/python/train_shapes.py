"""Train a small Keras classifier of drawn shapes: circles, squares and triangles, 32x32 gray.

usage: python train_shapes.py

writes shapes.keras, and 90 images into the folder shapes, one folder for each class. It takes about
a minute. The layers are what people's own classifiers have: strides, pooling, dense, softmax.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image, ImageDraw

CLASSES = ("circle", "square", "triangle")
SIDE = 32


def draw(rng: np.random.Generator, kind: int) -> np.ndarray:
    """Return a shape of random size, place, shades and noise, uint8 (SIDE, SIDE)."""
    ground, shade = rng.choice([(40, 200), (200, 40), (90, 230), (160, 30)])
    image = Image.new("L", (SIDE, SIDE), int(ground))
    pen, radius = ImageDraw.Draw(image), int(rng.integers(6, 12))
    x, y = rng.integers(radius, SIDE - radius, 2)
    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == 0:
        pen.ellipse(box, fill=int(shade))
    elif kind == 1:
        pen.rectangle(box, fill=int(shade))
    else:
        corners = [(box[0], box[3]), (box[2], box[3]), (int(x), box[1])]
        pen.polygon(corners, fill=int(shade))
    noisy = np.asarray(image) + rng.normal(0, 12, (SIDE, SIDE))
    return noisy.clip(0, 255).astype(np.uint8)


def main() -> None:
    """Draw the images, train and save."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, len(CLASSES), 3000)
    images = np.stack([draw(rng, kind) for kind in labels])[..., np.newaxis]
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(16, 1, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(CLASSES), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[:2500], labels[:2500], 32, 12, validation_data=(images[2500:], labels[2500:]))
    model.save("shapes.keras")
    for index in range(90):
        folder = Path("shapes") / CLASSES[labels[2500 + index]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[2500 + index, ..., 0]).save(folder / f"{index:02}.png")


if __name__ == "__main__":
    main()

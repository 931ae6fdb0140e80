"""Shipped networks: weights, ready files, and a card that says where they come from.

Each network is a folder named by its id: `<model>-x<scale>` for an upscaler, `tinycompress-<rate>`
for a codec. `catalog` finds a network by its id, its file or its folder; `card` reads its card.
"""

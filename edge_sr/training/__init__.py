"""Training of float networks.

- run.py, codec_run.py: train an upscaler or a codec in a folder that can be resumed
- start.py: what a run of an upscaler starts from; state.py: what it resumes from
- fit.py: the training loop; recipe.py: its settings, one TOML file per recipe
- samples.py, codec_images.py: images to train on and to validate by; quality.py: validation
- losses.py, soap.py (optimizer), distribute.py (several devices)
- distil.py: targets blended with a teacher's output; teacher.py: opens a teacher
- rounding.py, smoothing.py: variants of a model that share its weights
- bottleneck.py: the simulated quantizer of a codec
"""

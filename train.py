"""Train a network: `python train.py model=unet3d data=hkl20`; `python train.py --help` lists the choices."""

from phaselearn.commands.train import main

# Hydra's completion for the shell fish looks for the words @hydra.main in a script.
if __name__ == "__main__":
    main()

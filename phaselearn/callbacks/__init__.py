"""Lightning callbacks: one thing that a training does beside its steps, each."""

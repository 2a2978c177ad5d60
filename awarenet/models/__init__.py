"""How models reach the machine that serves them: fetched, verified, switched to at once; TensorRT plans built there."""

"""Trained stages to a served model repository: ONNX, INT8, TensorRT, compiled trees, and the gates between them."""

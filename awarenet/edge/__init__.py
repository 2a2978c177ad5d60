"""The product on a small device: this process scores a camera or a folder, and verdicts wait until they can be sent."""

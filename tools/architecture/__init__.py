"""The drawing of what a stage deploys, made from its templates."""

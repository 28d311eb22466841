"""What a stage costs on AWS, from its templates and the prices of tools/prices.py."""

"""What SageMaker does around train.py, on a machine of EC2.

Runs in the system's own Python of Amazon Linux 2023, which is 3.9, with its standard library and
the AWS command line alone: what trains is installed later.
"""

"""CloudWatch's alarms and metric math on the local cloud."""

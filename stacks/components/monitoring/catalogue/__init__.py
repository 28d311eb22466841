"""What each alarm of a stage watches, when it is raised and what to do: data without CDK."""

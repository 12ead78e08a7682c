"""The correlated noise of a training field, by place."""

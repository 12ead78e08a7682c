"""What a person looks at first: the preview of a dataset."""

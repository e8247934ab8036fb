"""What a run did, for people: the operator, the page, its charts."""

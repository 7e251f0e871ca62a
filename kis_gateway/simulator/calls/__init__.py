"""The REST calls: which exist, how they are asked, paged and refused, and who answers each."""

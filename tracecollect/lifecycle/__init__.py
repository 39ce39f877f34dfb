"""How a connection is followed from open to close, and what is concluded when the close never comes."""

"""Teachers: whoever answers a request. One file a teacher."""

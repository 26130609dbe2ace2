"""The credential service: who may do what with which vehicle, until when, and what the vehicle knows of it."""

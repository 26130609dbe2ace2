"""What the gateway asks of strangers: requests to addresses that somebody else has named, with bounds on everything."""

"""HTTP: the only importer of fastapi. Turns JSON into calls of the bridge and errors into problem documents."""

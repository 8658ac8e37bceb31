"""Batch queues and the MPI of a site: how long a job has left, job scripts, and which MPI library is at hand."""

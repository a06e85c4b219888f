"""What a preset will cost: how many items each job has, what one costs, what jobs ask a cluster for, the whole plan."""

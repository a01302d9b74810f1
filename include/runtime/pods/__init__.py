"""Training in pods, a shard or the refit in each: asked for, watched, told apart when one fails, removed. No Airflow.

- :mod:`~include.runtime.pods.request`: a step's pod and its secret, as Kubernetes is asked for them;
- :mod:`~include.runtime.pods.capacity`: whether a node or a quota could ever hold it;
- :mod:`~include.runtime.pods.endings`: what a pod can be seen to be, and the ways to end;
- :mod:`~include.runtime.pods.diagnosis`: what a pod's state means, in one line with its remedy;
- :mod:`~include.runtime.pods.waits`: what one that does not run yet waits for;
- :mod:`~include.runtime.pods.images`: which image a run keeps, whatever is configured meanwhile;
- :mod:`~include.runtime.pods.replacing`: whether a pod that ended is followed by another one;
- :mod:`~include.runtime.pods.refusal`: what an API server means by a call that it refuses;
- :mod:`~include.runtime.pods.cluster`: the calls, each of which outlasts an API server that is away for a while;
- :mod:`~include.runtime.pods.readiness`: whether cluster and bucket would take a shard, asked before a night;
- :mod:`~include.runtime.pods.placing`: its secret and its first pod;
- :mod:`~include.runtime.pods.attendance`: one step from its request to its end, pods that are lost replaced;
- :mod:`~include.runtime.pods.following`: a pod's log, each line of it once;
- :mod:`~include.runtime.pods.sweeping`: what no attempt came back for.

A pod's state is never a result: what it wrote to the store is, verified by :func:`include.steps.collect`.

In the namespace it needs: pods (create, get, list, patch, delete, deletecollection), pods/log (get), secrets (create,
delete, deletecollection), events (none), resourcequotas (list). In the cluster: nodes (list), to say at once that none
could ever hold a pod; without that right, and where nodes are made on demand, a pod that fits none waits and says so.
"""

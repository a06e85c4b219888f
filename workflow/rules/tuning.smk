# Preference pairs and a base model -> an adapter. Pairs are made in preferences.smk.
TUNED = CFG.tuned()


rule train_adapter:
    # A killed training goes on from its last checkpoint; checkpoints are no output, so that they survive.
    input:
        preferences=lookup("tunings/{tuned}/mixture", within=PLAN),
        model=lookup("tunings/{tuned}/model", within=PLAN),
    output:
        adapter=directory(f"{OUT}/adapters/{{tuned}}"),
        training=f"{OUT}/tuning/logs/{{tuned}}.parquet",
        drops=f"{OUT}/tuning/drops/{{tuned}}.parquet",
        run=f"{OUT}/tuning/runs/{{tuned}}.parquet",
    log:
        f"{OUT}/logs/train_adapter.{{tuned}}.log",
    benchmark:
        f"{OUT}/benchmarks/train_adapter.{{tuned}}.tsv"
    conda:
        software.conda("train_adapter")
    container:
        software.image("train_adapter")
    threads: need.threads("train_adapter")
    resources:
        **need("train_adapter"),
    params:
        code=code("train-adapter"),
        launcher=lookup("tunings/{tuned}/launcher", within=PLAN),
        load=lookup("tunings/{tuned}/load", within=PLAN),
        training=lookup("tunings/{tuned}/training", within=PLAN),
        checkpoints=f"{OUT}/training/{{tuned}}",
    shell:
        "{params.launcher} finer train-adapter --preferences {input.preferences} --load {params.load:q} --model {wildcards.tuned}"
        " --training {params.training:q} --code {params.code} --out {output.adapter} --log {output.training}"
        " --drops {output.drops} --run {output.run} --checkpoints {params.checkpoints} 2> >(tee {log} >&2)"


rule adapters:
    # Everything that is trained on preferences, that of the studies included.
    input:
        [f"{OUT}/adapters/{tuned}" for tuned in TUNED],
    localrule: True

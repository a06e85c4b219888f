# What a language model is asked for in place of the rules and the lexicon, where the configuration says `llm`.
# One asking job at a time: it has many requests in flight itself, and the budget is one for all.


rule scene_graphs_by_model:
    input:
        captions=f"{B}/captions.parquet",
    output:
        elements=f"{B}/elements.parquet",
        drops=f"{B}/drops/scene_graphs.parquet",
        calls=f"{B}/elements.calls.parquet",
        run=f"{B}/elements.run.parquet",
    log:
        f"{OUT}/logs/scene_graphs_by_model.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/scene_graphs_by_model.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.extracted("llm"),
    conda:
        software.conda("scene_graphs_by_model")
    container:
        software.image("scene_graphs_by_model")
    threads: need.threads("scene_graphs_by_model")
    resources:
        **need("scene_graphs_by_model"),
        chat=1,
    params:
        code=code("extract-by-model"),
        config=CFG.part("scene_graphs"),
        chat=CFG.role("extractor", access=False),
    shell:
        "python -m finer extract-by-model --config {params.config:q} --chat {params.chat:q} --code {params.code}"
        " --captions {input.captions} --out {output.elements} --drops {output.drops}"
        " --calls {output.calls} --run {output.run} 2> >(tee {log} >&2)"


for k in ROUNDS:

    rule:
        # As `propose_{k}`: round k asks anew for the elements that failed for sure in round k - 1.
        name:
            f"propose_by_model_{k}"
        input:
            elements=f"{B}/elements.parquet",
            captions=lookup("benchmarks/{benchmark}/captions", within=PLAN),
            negatives=[f"{B}/rounds/negatives.{i}.parquet" for i in range(k)],
            checks=[f"{B}/rounds/checks.{k - 1}.parquet"] if k else [],
        output:
            negatives=f"{B}/rounds/negatives.{k}.parquet",
            drops=f"{B}/drops/negatives.{k}.parquet",
            calls=f"{B}/rounds/negatives.{k}.calls.parquet",
            run=f"{B}/rounds/negatives.{k}.run.parquet",
        log:
            f"{OUT}/logs/propose_by_model_{k}.{{benchmark}}.log",
        benchmark:
            f"{OUT}/benchmarks/propose_by_model_{k}.{{benchmark}}.tsv"
        wildcard_constraints:
            benchmark=CFG.proposed("llm"),
        conda:
            software.conda(f"propose_by_model_{k}")
        container:
            software.image(f"propose_by_model_{k}")
        threads: need.threads(f"propose_by_model_{k}")
        resources:
            **need(f"propose_by_model_{k}"),
            chat=1,
        params:
            code=code("propose-by-model"),
            seed=CFG.seed,
            chat=lookup("benchmarks/{benchmark}/proposer", within=PLAN),
            round=k,
        shell:
            "python -m finer propose-by-model --seed {params.seed} --chat {params.chat:q} --code {params.code}"
            " --round {params.round} --elements {input.elements} --captions {input.captions}"
            " --earlier {input.negatives} --checks {input.checks} --out {output.negatives} --drops {output.drops}"
            " --calls {output.calls} --run {output.run} 2> >(tee {log} >&2)"

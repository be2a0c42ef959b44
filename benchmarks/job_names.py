"""The names of the figures of benchmarks.job_run, for its report; loads no model."""

RUN, PREDICT, LOOP = "jobs.batch run", "Model.predict", "loop over pipeline and datasets"

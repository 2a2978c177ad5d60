variables {
  name     = "gpu"
  nodes    = { min = 2, max = 10 }
  disk_gib = 100
}

run "leads_triton_to_the_nodes" {
  command = plan

  assert {
    condition     = output.values.triton.placement.nodeSelector == output.labels
    error_message = "Triton is not led to the nodes."
  }
}

run "a_name_that_aks_refuses" {
  command = plan
  variables { name = "gpu-nodes" }
  expect_failures = [var.name]
}

run "fewer_at_most_than_at_least" {
  command = plan
  variables { nodes = { min = 5, max = 2 } }
  expect_failures = [var.nodes]
}

run "half_a_node" {
  command = plan
  variables { nodes = { min = 0.5, max = 2 } }
  expect_failures = [var.nodes]
}

run "a_disk_that_the_image_fills" {
  command = plan
  variables { disk_gib = 20 }
  expect_failures = [var.disk_gib]
}
